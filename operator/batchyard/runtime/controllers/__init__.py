"""What carries decisions out: each knows one subject and the requests that it needs."""
