"""Arguments of a call: repaired, checked, and what is wrong with them explained."""
