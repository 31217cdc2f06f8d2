"""Where annotations are kept: tables, migrations, transactions, backups."""
