"""What may be wrong with an installation, a finding each."""
