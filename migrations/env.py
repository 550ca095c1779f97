"""The Alembic environment: runs migrations on the open connection that it is handed; there is no ini file.

The caller puts a connection into ``config.attributes["connection"]`` and holds the transaction around it.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
