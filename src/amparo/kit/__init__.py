"""What plugins are made of: decorators, openers of single formats, times, phone numbers."""
