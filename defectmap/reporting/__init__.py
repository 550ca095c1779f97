"""What a report is made of: photos that need repair, crops of them, scores, charts, and the page itself.

It writes nothing and knows no catalog, only values that came out of one.
"""
