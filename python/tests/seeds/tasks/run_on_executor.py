# Using Tornado, run slow operations in parallel using threads.
# Instead of taking 5 seconds, this should only take 1 second.
import time
import concurrent.futures
import tornado.web
import tornado.ioloop
import tornado.concurrent

class slow_op:
    def __init__(self):
        self.executor = concurrent.futures.ThreadPoolExecutor(max_workers=5)
        self.io_loop = tornado.ioloop.IOLoop.instance()

    # wrap this function such that it returns a Future
    @tornado.concurrent.run_on_executor
    def slow_operation(self):
        time.sleep(1)
        return True

class MyHandler(tornado.web.RequestHandler):
    # get the global slop_op instance
    def initialize(self,ops):
        self.ops = ops

    # handle Futures inline with yield
    @tornado.gen.coroutine
    def get(self):
        ret = yield self.ops.slow_operation()
        self.write(str(ret))


# make a futures executor that launches 5 worker threads
with concurrent.futures.ThreadPoolExecutor(max_workers=5) as executor:

    # launch tornado
    app = tornado.web.Application([
        (r"/.*", MyHandler, {'ops':slow_op()}),
    ])
    app.listen(8888)
    tornado.ioloop.IOLoop.instance().start()
