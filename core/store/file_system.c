/* File systems on which SQLite's locks and shared memory cannot be relied on: those that several machines mount. A file there works
 * for a while and is damaged then. The numbers are those of statfs(2). */
#include "store/internal.h"

const char *network_file_system(int64_t magic)
{
    static const struct {
        uint32_t magic;
        const char *name;
    } table[] = { { 0x6969, "NFS" }, { 0xff534d42, "CIFS" }, { 0xfe534d42, "SMB" },
        { 0x517b, "SMB" }, { 0x0bd00bd0, "Lustre" }, { 0x47504653, "GPFS" },
        { 0x19830326, "BeeGFS" }, { 0x00c36400, "Ceph" }, { 0x01021997, "9P" },
        { 0x5346414f, "AFS" }, { 0x6b414653, "AFS" }, { 0x73757245, "Coda" },
        { 0x7461636f, "OCFS2" }, { 0x01161970, "GFS2" }, { 0xaad7aaea, "PanFS" },
        { 0x65735546, "FUSE" } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].magic == (uint32_t)magic) return table[i].name;
    }
    return NULL;
}
