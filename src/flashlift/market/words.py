"""Vocabulary of the simulated shop: categories with their nouns and prices, brands, qualities, segments, places."""

from __future__ import annotations

__all__ = ["BRANDS", "BUSINESS", "CATEGORIES", "CENTERS", "CHANNELS", "ONLINE", "QUALITIES", "REGIONS", "SEGMENTS"]

# Leaf category -> (median list price, nouns).
CATEGORIES: dict[str, tuple[float, tuple[str, ...]]] = {
    "home/kitchen": (22.0, ("Saucepan", "Cutting Board", "Mixing Bowl", "Knife Set", "Kettle")),
    "home/bath": (16.0, ("Bath Towel", "Shower Curtain", "Bath Mat", "Soap Dispenser")),
    "home/light": (35.0, ("Desk Lamp", "Pendant Light", "Night Light", "Floor Lamp")),
    "home/decor": (18.0, ("Picture Frame", "Vase", "Candle Holder", "Wall Clock", "Cushion")),
    "electronics/audio": (55.0, ("Headphones", "Speaker", "Earbuds", "Soundbar")),
    "electronics/phone": (20.0, ("Phone Case", "Charger", "Power Bank", "Screen Protector")),
    "electronics/computer": (45.0, ("Keyboard", "Mouse", "Webcam", "USB Hub", "Monitor Stand")),
    "fashion/shoes": (60.0, ("Sneakers", "Sandals", "Boots", "Loafers")),
    "fashion/women": (38.0, ("Dress", "Blouse", "Skirt", "Cardigan")),
    "fashion/men": (36.0, ("Shirt", "Chinos", "Pullover", "Jacket")),
    "fashion/bags": (48.0, ("Backpack", "Tote Bag", "Wallet", "Weekender")),
    "beauty/skin": (19.0, ("Face Cream", "Serum", "Cleanser", "Sunscreen")),
    "beauty/hair": (14.0, ("Shampoo", "Hair Mask", "Hair Dryer", "Styling Gel")),
    "grocery/snacks": (5.0, ("Trail Mix", "Dark Chocolate", "Rice Crackers", "Cookies")),
    "grocery/drinks": (8.0, ("Green Tea", "Espresso Beans", "Sparkling Water", "Fruit Juice")),
    "sports/fitness": (28.0, ("Yoga Mat", "Dumbbells", "Resistance Band", "Foam Roller")),
    "sports/outdoor": (65.0, ("Tent", "Sleeping Bag", "Camping Stove", "Hiking Poles")),
    "sports/cycling": (32.0, ("Bike Helmet", "Bike Light", "Cycling Gloves", "Tire Pump")),
    "toys/games": (25.0, ("Board Game", "Puzzle", "Card Game", "Building Blocks")),
    "toys/plush": (15.0, ("Teddy Bear", "Plush Rabbit", "Plush Dragon")),
    "garden/tools": (27.0, ("Pruning Shears", "Garden Hose", "Spade", "Watering Can")),
    "garden/plants": (12.0, ("Herb Kit", "Flower Bulbs", "Planter", "Succulent")),
    "office/paper": (7.0, ("Notebook", "Planner", "Sticky Notes", "Envelopes")),
    "pets/care": (17.0, ("Dog Bed", "Cat Tree", "Leash", "Feeding Bowl")),
}

BRANDS = (
    "Alder", "Brisk", "Corvid", "Dune", "Ember", "Fathom", "Grove", "Harbor", "Isle", "Juniper", "Kestrel", "Lumen",
    "Meadow", "Norrland", "Orchard", "Pike", "Quill", "Rowan", "Saffron", "Tidal", "Umbra", "Vela", "Willow", "Yarrow",
)  # fmt: skip

# Adjective -> (factor on the price, shift of the elasticity): cheap goods are compared by price, fine ones are not.
QUALITIES: dict[str, tuple[float, float]] = {
    "Budget": (0.6, -0.5),
    "Compact": (0.8, -0.2),
    "Classic": (1.0, 0.0),
    "Everyday": (0.9, -0.1),
    "Eco": (1.1, 0.1),
    "Deluxe": (1.5, 0.3),
    "Handmade": (1.7, 0.5),
}

REGIONS = ("north", "south", "east", "west", "capital")
CENTERS = ((57.0, 14.0), (47.0, 14.5), (52.0, 21.0), (51.5, 7.0), (52.0, 13.5))  # latitude and longitude of each region

ONLINE = ("app", "web", "social")
CHANNELS = (*ONLINE, "store")

SEGMENTS = ("loyal", "regular", "bargain")  # of private customers, by their weakness for deals
BUSINESS = "business"
