"""The annotation workbench: campaigns, records, ratings, people, and the database that stores them."""
