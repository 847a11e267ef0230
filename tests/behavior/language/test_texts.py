from tests.behavior.language.shops import items

from flashlift.behavior.language import item_texts


def test_title_brand_and_category_path():
    frame = items(
        ["Red  mug ", None, "Lamp", "", "Bell"],
        brand=["Acme", "Acme", None, None, " "],
        category=["home/kitchen", None, "mugs", None, None],
        attributes=[None, None, '{"category_source": "title"}', None, None],
    )
    assert item_texts(frame) == ["Red mug, Acme, home > kitchen", "Acme", "Lamp", "", "Bell"]
