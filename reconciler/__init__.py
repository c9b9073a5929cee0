"""What a flow's author imports. Importing it is nearly free: names are loaded when they are used."""
