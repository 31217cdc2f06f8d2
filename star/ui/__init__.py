"""The page. Only this package imports Gradio; views are pure functions from data to escaped HTML."""
