"""`python -m coatcheck.stores.d1 > migrations/0001_coatcheck.sql` writes the migration that Wrangler applies."""

import sys

from coatcheck.stores.d1.schema import script

if __name__ == "__main__":
    sys.stdout.write(script())
