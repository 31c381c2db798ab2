using System.Runtime.CompilerServices;
using MsResampler.Cpu;
using MsResampler.Planning;

namespace MsResampler.Tests.Cpu;

public class EarlyCompilationTests
{
    [Test]
    public void The_small_model_uses_every_strategy_and_has_finite_tokens()
    {
        using ResamplerModel model = SmallModel.Create();
        Planner planner = new(model.Config, hasKeyValueInput: false, CpuVariant.Choose().Costs,
            EarlyCompilation.StrategyOf);
        ExecutionPlan plan = planner.Plan(SmallModel.Grid);
        Assert.That(plan.Scopes.Select(scope => new ScopeStrategy(scope.Keys, scope.Values)),
            Is.EqualTo(ScopeStrategy.All));
        // Tokens that are not finite are an exception.
        foreach (Precision precision in new[] { Precision.Float32, Precision.Int8 })
            Assert.That(() => EarlyCompilation.Run(precision), Throws.Nothing);
    }

    [Test]
    public void Its_exception_does_not_reach_the_application()
    {
        const string Message = "an exception of early compilation";
        List<string> messages = [];
        void Collect(object? sender, UnobservedTaskExceptionEventArgs arguments)
        {
            lock (messages)
                messages.AddRange(arguments.Exception.InnerExceptions.Select(exception => exception.Message));
        }

        TaskScheduler.UnobservedTaskException += Collect;
        try
        {
            RunAndForget(() => throw new NotSupportedException(Message));
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Collect;
        }

        lock (messages)
            Assert.That(messages, Has.None.EqualTo(Message));
    }

    [Test]
    public void A_limit_of_threads_does_not_prevent_loading()
        => Assert.That(EarlyCompilation.StartAlone(() => Assert.Fail("this ran"), new WithoutThreads()).IsCompleted,
            Is.True);

    /// <summary>Refuses tasks, as the scheduler of .NET does if the system creates no thread.</summary>
    private sealed class WithoutThreads : TaskScheduler
    {
        protected override void QueueTask(Task task) => throw new InsufficientMemoryException();

        protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

        protected override IEnumerable<Task> GetScheduledTasks() => [];
    }

    /// <summary>A method of its own, so that nothing references the task afterwards.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void RunAndForget(Action action)
    {
        Task task = EarlyCompilation.StartAlone(action, TaskScheduler.Default);
        Assert.That(SpinWait.SpinUntil(() => task.IsCompleted, TimeSpan.FromSeconds(10)), Is.True);
    }
}
