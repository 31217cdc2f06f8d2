"""The database of annotations: tables, migrations, transactions, backups."""
