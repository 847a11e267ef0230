"""Share of the clairvoyant plan's true profit that each way of planning earns, world by world."""
