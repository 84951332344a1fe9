"""The console: a web page, whose calls go to the same coordinator as those of rpc/ do."""
