"""The annotation workbench: campaigns, records, ratings, people and the database they live in."""
