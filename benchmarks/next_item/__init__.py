"""The next item of a customer, leave-one-out, among the whole catalog: flashlift beside simple rankings and a peer."""
