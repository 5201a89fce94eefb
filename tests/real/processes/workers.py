# SPDX-License-Identifier: MIT
"""workers.py HOW: processes of python's own making: fork, spawn, forkserver or subprocess."""
import multiprocessing
import subprocess
import sys
import threading


def square(n):
    return sum(len(str(i)) for i in range(n)) + n * n


def through_queue(queue, n):
    queue.put([bytes(i) for i in range(n)][-1])


def main(how):
    if how == "subprocess":
        for text in ("a", "b"):
            done = subprocess.run(["sh", "-c", f"tr a-z A-Z | cat; exit {len(text)}"],
                                  input=text * 100000, stdout=subprocess.PIPE, text=True,
                                  preexec_fn=lambda: None, check=False)
            print(done.returncode, done.stdout[:3], len(done.stdout))
        return
    context = multiprocessing.get_context(how)
    thread = threading.Thread(target=lambda: [bytearray(i) for i in range(3000)])
    thread.start()
    with context.Pool(2) as pool:
        print(pool.map(square, range(100, 140)))
        pool.close()
        pool.join()
    queue = context.Queue()
    process = context.Process(target=through_queue, args=(queue, 2000))
    process.start()
    print(len(queue.get()))
    process.join()
    thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
    sys.exit(6)
