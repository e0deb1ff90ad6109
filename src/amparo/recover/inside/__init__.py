"""Plugins that bring up files inside files, in caches and in the free space of disks."""
