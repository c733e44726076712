"""The documents that are made from the code, and the tests that hold all documents to it."""
