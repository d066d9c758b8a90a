"""The events the staff desk appends to the log, beside `turn`. The list is closed: each name means one thing, for ever.

`inbound`, `outbound` and `withheld` mean the same as for the other channels.
"""

from __future__ import annotations

from typing import Literal

Event = Literal["inbound", "outbound", "withheld", "desk", "complaint", "rating"]

INBOUND: Event = "inbound"
"""A customer's message for a person, which the assistant did not answer; `reply` is what the channel returned."""
OUTBOUND: Event = "outbound"
"""What a person says to a customer, in full with its notices, before it is delivered; its id is the message's id."""
WITHHELD: Event = "withheld"
"""A text of a person that the screening did not let leave (personal data masked), with every finding."""
DESK: Event = "desk"
"""A conversation was handed over, claimed, passed on, given back or ended; a note; a script step; a reply that another
channel brings and logs itself; and by whom."""
COMPLAINT: Event = "complaint"
"""A step in the ledger of complaints."""
RATING: Event = "rating"
"""What the customer thought of being served by a person."""
