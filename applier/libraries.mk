# What the daemon links; the test programs made of its parts read this too.
LIBRARIES = -lpq -ljansson -lsystemd -lxxhash -lcurl
