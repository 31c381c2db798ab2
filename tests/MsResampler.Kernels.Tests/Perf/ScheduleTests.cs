using MsResampler.Perf.Measuring;

namespace MsResampler.Kernels.Tests.Perf;

public class ScheduleTests
{
    [Test]
    public void A_free_thread_takes_the_next_task_of_a_phase()
    {
        // Two threads: 3 | 1 2 | then 4 goes to whichever is free first, at time 3.
        double[] tasks = [3, 1, 2, 4];
        Assert.Multiple(() =>
        {
            Assert.That(Barriers.Makespan(tasks, 1), Is.EqualTo(10));
            Assert.That(Barriers.Makespan(tasks, 2), Is.EqualTo(7));
            Assert.That(Barriers.Makespan(tasks, 3), Is.EqualTo(5));
            Assert.That(Barriers.Makespan(tasks, 64), Is.EqualTo(4));
            Assert.That(Barriers.Makespan([], 2), Is.Zero);
        });
    }

    [Test]
    public void A_graph_on_one_thread_takes_the_sum_and_on_many_the_longest_chain()
    {
        TaskGraph graph = Graph();
        Assert.Multiple(() =>
        {
            Assert.That(graph.TotalMs, Is.EqualTo(13));
            Assert.That(graph.CriticalPathMs, Is.EqualTo(8));
            Assert.That(graph.Schedule(1), Is.EqualTo(13));
            Assert.That(graph.Schedule(2), Is.EqualTo(8));
            Assert.That(graph.Schedule(64), Is.EqualTo(8));
        });
    }

    [Test]
    public void A_thread_takes_the_ready_task_with_the_longest_chain()
    {
        TaskGraph graph = new();
        graph.Add(1, []);
        graph.Add(1, []);
        int first = graph.Add(2, []);
        graph.Add(3, [first]);
        // In the order of the tasks, the chain of 5 would start at time 1.
        Assert.That(graph.Schedule(2), Is.EqualTo(5));
    }

    [Test]
    public void A_graph_without_tasks_takes_no_time() => Assert.That(new TaskGraph().Schedule(2), Is.Zero);

    /// <summary>Two chains, 1 + 4 and 2 + 3, whose ends a task of 0 ms collects for a last task of 3.</summary>
    private static TaskGraph Graph()
    {
        TaskGraph graph = new();
        int a = graph.Add(1, []);
        int b = graph.Add(2, []);
        int c = graph.Add(4, [a]);
        int d = graph.Add(3, [b]);
        int both = graph.Add(0, [c, d]);
        graph.Add(3, [both]);
        return graph;
    }
}
