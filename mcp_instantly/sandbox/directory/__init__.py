"""The fictional companies and people that SuperSearch looks through."""
