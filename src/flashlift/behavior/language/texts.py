"""What the language model reads about an item: title, brand and category path in one line."""

from __future__ import annotations

import polars as pl

from flashlift.schema import Items

__all__ = ["item_texts"]


def item_texts(items: pl.DataFrame) -> list[str]:
    """One text per row of `items`: "title, brand, category > subcategory", what is missing left out, "" without any.

    A category that was itself derived from the title says nothing new and is left out. Texts are not lowered, split
    or translated: that is the tokenizer's part.
    """
    derived = Items.attributes.col.str.json_path_match("$.category_source") == "title"
    path = pl.when(derived.fill_null(False)).then(None).otherwise(Items.category.col).str.replace_all("/", " > ")
    parts = [Items.title.col, Items.brand.col, path]
    clean = [part.str.replace_all(r"\s+", " ").str.strip_chars() for part in parts]
    # concat_str skips nulls, not blanks, so a blank part must become null first.
    filled = [pl.when(part == "").then(None).otherwise(part) for part in clean]
    return items.select(text=pl.concat_str(filled, separator=", ", ignore_nulls=True))["text"].fill_null("").to_list()
