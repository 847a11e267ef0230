"""Does the debrief of a sale name the true reason for its gap, with about the true amount?"""
