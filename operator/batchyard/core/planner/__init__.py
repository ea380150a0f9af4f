"""The two pure steps of a pass, which join all policies: settle what happened, then schedule what waits."""
