// System V and POSIX inter-process communication, keys, other processes' memory.
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

static void shared_memory(void) {
    const int id = shmget(IPC_PRIVATE, 10000, 0600);
    CHECK(id >= 0);
    char* memory = shmat(id, NULL, 0);
    CHECK(memory != (void*)-1 && memory[9999] == 0);
    strcpy(memory, "before");
    struct shmid_ds facts;
    CHECK(shmctl(id, IPC_STAT, &facts) == 0 && facts.shm_segsz == 10000 && facts.shm_nattch == 1);
    fflush(stdout);
    if (fork() == 0) {
        strcpy(memory + 4096, "child");
        _exit(shmdt(memory) != 0);
    }
    int status;
    CHECK(wait(&status) > 0 && status == 0 && strcmp(memory + 4096, "child") == 0);
    // A second view, read-only, at a place of the caller's.
    char* place = mmap(NULL, 16384, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_FAILS(shmat(id, place, 0), EINVAL);
    CHECK_FAILS(shmat(id, place + 1, 0), EINVAL);
    CHECK(shmat(id, place + 1, SHM_RDONLY | SHM_REMAP | SHM_RND) == place && strcmp(place, "before") == 0);
    CHECK(shmctl(id, IPC_STAT, &facts) == 0 && facts.shm_nattch == 2);
    int ends[2];
    CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    CHECK_FAILS(read(ends[0], place, 1), EFAULT);
    CHECK(munmap(place + 4096, 4096) == 0 && shmdt(place) == 0);
    CHECK_FAILS(shmdt(place), EINVAL);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0 && strcmp(memory, "before") == 0 && shmdt(memory) == 0);
    CHECK_FAILS(shmat(id, NULL, 0), EINVAL);
}

static void semaphores(void) {
    const int id = semget(IPC_PRIVATE, 3, 0640);
    CHECK(id >= 0);
    union {
        int value;
        struct semid_ds* facts;
        unsigned short* values;
    } argument = {.value = 5};
    CHECK(semctl(id, 1, SETVAL, argument) == 0 && semctl(id, 1, GETVAL) == 5);
    struct sembuf operations[2] = {{1, -2, 0}, {2, 1, 0}};
    CHECK(semop(id, operations, 2) == 0);
    unsigned short values[3];
    argument.values = values;
    CHECK(semctl(id, 0, GETALL, argument) == 0 && values[0] == 0 && values[1] == 3 && values[2] == 1);
    struct semid_ds facts;
    memset(&facts, 0xff, sizeof facts);
    argument.facts = &facts;
    CHECK(semctl(id, 0, IPC_STAT, argument) == 0 && facts.sem_nsems == 3 && facts.sem_otime > 1000000000);
    CHECK(facts.sem_ctime > 1000000000 && (facts.sem_perm.mode & 0777) == 0640);
    facts.sem_perm.mode = 0600;
    CHECK(semctl(id, 0, IPC_SET, argument) == 0 && semctl(id, 0, IPC_STAT, argument) == 0);
    CHECK((facts.sem_perm.mode & 0777) == 0600);
    operations[0] = (struct sembuf){0, -1, IPC_NOWAIT};
    CHECK_FAILS(semop(id, operations, 1), EAGAIN);
    argument.facts = (void*)8;
    CHECK_FAILS(semctl(id, 0, IPC_STAT, argument), EFAULT);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
}

static void queues(void) {
    const int id = msgget(IPC_PRIVATE, 0600);
    struct {
        long type;
        char text[8];
    } sent = {7, "message"}, received;
    CHECK(msgsnd(id, &sent, sizeof sent.text, 0) == 0);
    struct msqid_ds facts;
    CHECK(msgctl(id, IPC_STAT, &facts) == 0 && facts.msg_qnum == 1 && facts.msg_lspid == getpid());
    CHECK(msgrcv(id, &received, sizeof received.text, 7, 0) == 8 && strcmp(received.text, "message") == 0);
    CHECK_FAILS(msgrcv(id, &received, sizeof received.text, 0, IPC_NOWAIT), ENOMSG);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);

    char name[32];
    snprintf(name, sizeof name, "/kiln.%d", getpid());
    struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 16};
    const mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes);
    if (queue < 0) return;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2, .sigev_value.sival_int = 99};
    CHECK(mq_notify(queue, &event) == 0);
    CHECK_FAILS(mq_notify(queue, &event), EBUSY);
    CHECK(mq_send(queue, "low", 4, 1) == 0 && mq_send(queue, "high", 5, 9) == 0);
    siginfo_t info;
    CHECK(sigwaitinfo(&set, &info) == SIGUSR2 && info.si_code == SI_MESGQ && info.si_value.sival_int == 99);
    char text[16];
    unsigned priority;
    CHECK(mq_receive(queue, text, sizeof text, &priority) == 5 && priority == 9 && strcmp(text, "high") == 0);
    CHECK(mq_getattr(queue, &attributes) == 0 && attributes.mq_curmsgs == 1 && attributes.mq_maxmsg == 2);
    CHECK(mq_close(queue) == 0 && mq_unlink(name) == 0);
}

static void other_memory(void) {
    char mine[16] = "0123456789", got[16] = "";
    int ready[2], done[2];
    CHECK(pipe(ready) == 0 && pipe(done) == 0);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        strcpy(mine, "the child's");
        char byte = 0;
        if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1) _exit(1);
        _exit(strcmp(mine, "written") != 0);
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    struct iovec local[2] = {{got, 4}, {got + 4, 8}}, remote = {mine, 12};
    CHECK(process_vm_readv(child, local, 2, &remote, 1, 0) == 12 && strcmp(got, "the child's") == 0);
    struct iovec text = {"written", 8};
    CHECK(process_vm_writev(child, &text, 1, &remote, 1, 0) == 8);
    remote.iov_base = (void*)8;
    CHECK_FAILS(process_vm_readv(child, local, 2, &remote, 1, 0), EFAULT);
    CHECK_FAILS(process_vm_readv(child, local, 2, &remote, 1, 1), EINVAL);
    int status;
    CHECK(write(done[1], "", 1) == 1 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(strcmp(mine, "0123456789") == 0);
}

static void keys(void) {
    const long ring = syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -2 /* of the process */, 1);
    if (ring < 0) return;
    const long key = syscall(SYS_add_key, "user", "kiln:test", "payload", 7, ring);
    if (key < 0) return;
    char text[64];
    CHECK(syscall(SYS_keyctl, 11 /* KEYCTL_READ */, key, text, sizeof text) == 7);
    CHECK(memcmp(text, "payload", 7) == 0);
    CHECK(syscall(SYS_keyctl, 10 /* KEYCTL_SEARCH */, ring, "user", "kiln:test", 0) == key);
    CHECK_FAILS(syscall(SYS_keyctl, 10, ring, 8, "kiln:test", 0), EFAULT);
    CHECK_FAILS(syscall(SYS_keyctl, 1000), EOPNOTSUPP);
}

int main(void) {
    shared_memory();
    semaphores();
    queues();
    other_memory();
    keys();
    return verdict();
}
