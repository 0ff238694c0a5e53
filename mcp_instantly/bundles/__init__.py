"""The forms in which hosts install the server: a bundle, plugins, an extension, an entry of the registry."""
