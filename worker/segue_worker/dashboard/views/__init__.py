"""The pages: each view takes a call and gives back an answer."""
