"""A program that is no module: it says something and ends."""

import sys

print("$GPGGA,this,is,no,module*")
print("\x01\x02 and neither is this")
sys.exit(3)
