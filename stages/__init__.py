"""The stages, one file each, named for the verb: how rows become arrays and back."""
