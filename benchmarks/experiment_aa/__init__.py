"""How often do tests reject where nothing differs, however often one looks, and what power is left?"""
