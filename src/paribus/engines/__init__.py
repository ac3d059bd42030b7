"""What trains: every engine takes tasks and hands back records."""
