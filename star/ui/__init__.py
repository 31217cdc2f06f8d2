"""The page. Only here is gradio imported; views are pure functions from data to escaped HTML."""
