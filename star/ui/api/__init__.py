"""JSON routes beside Gradio."""
