"""The operations, a folder per family; every module in here is loaded when an application is created."""
