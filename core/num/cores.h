/* The CPU quota of control groups; private to this room, apart from team_cores so that tests can point
 * it at files of their own. */
#ifndef ASSAY_CORE_NUM_CORES_H
#define ASSAY_CORE_NUM_CORES_H

/* The smallest quota, in cores, over the groups that `membership` ("/proc/self/cgroup") names below
 * `mount` ("/sys/fs/cgroup") and all groups above them; 0 when there is none. */
double cores_quota(const char *membership, const char *mount);

#endif
