"""What people read: terminal text, Markdown, JSON records, charts and the HTML page."""
