"""encoders × tasks → scores."""
