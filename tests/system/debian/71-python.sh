# python3 and its own modules: unittest, threads, subprocess, multiprocessing.
cat > test_all.py <<'END'
import concurrent.futures, multiprocessing, os, signal, subprocess, sys, threading, time, unittest

def square(x):
    return x * x

def add(total, lock, times):
    for _ in range(times):
        with lock:
            total.value += 1

class All(unittest.TestCase):
    def test_threads(self):
        done, lock = [], threading.Lock()
        def work(n):
            with lock:
                done.append(n)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
        [t.start() for t in threads]; [t.join() for t in threads]
        self.assertEqual(sorted(done), list(range(20)))

    def test_subprocess(self):
        self.assertEqual(subprocess.check_output(["uname", "-m"]), b"riscv64\n")
        self.assertEqual(subprocess.run("exit 7", shell=True).returncode, 7)
        self.assertEqual(subprocess.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]).returncode, -9)
        with self.assertRaises(subprocess.TimeoutExpired):
            subprocess.run(["sleep", "60"], timeout=0.2)
        piped = subprocess.run(["sort", "-r"], input=b"a\nb\n", capture_output=True, start_new_session=True)
        self.assertEqual(piped.stdout, b"b\na\n")

    def test_pools(self):
        for method in ("fork", "spawn", "forkserver"):
            with multiprocessing.get_context(method).Pool(2) as pool:
                self.assertEqual(pool.map(square, range(10)), [x * x for x in range(10)])
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(sum(pool.map(square, range(10))), 285)

    def test_shared_memory_and_locks(self):
        total, lock = multiprocessing.Value("i", 0), multiprocessing.Lock()
        workers = [multiprocessing.Process(target=add, args=(total, lock, 100)) for _ in range(3)]
        [w.start() for w in workers]; [w.join() for w in workers]
        self.assertEqual((total.value, [w.exitcode for w in workers]), (300, [0, 0, 0]))

    def test_signals(self):
        seen = []
        signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
        os.kill(os.getpid(), signal.SIGUSR1)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
        time.sleep(0.2)
        self.assertEqual(seen, [signal.SIGUSR1, signal.SIGALRM])

if __name__ == "__main__":
    unittest.main()
END
python3 -m unittest -q test_all 2>&1 | sed 's/ in [0-9.]*s//'
python3 -c 'import asyncio, platform
async def main(): return await asyncio.gather(*(asyncio.sleep(0.01, n) for n in range(5)))
print(asyncio.run(main()), platform.machine())'
