using System.Runtime.CompilerServices;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Compiles the code of the CPU backend on a thread of its own while the files of the first model are
/// opened: it computes an image with a <see cref="SmallModel"/>. Opening occupies one thread, and its code is compiled
/// at the same time.</summary>
internal static class EarlyCompilation
{
    private static int s_started;

    /// <summary>Starts the thread at the first call for a precision. Does nothing if the code is compiled already, or
    /// if there is no second processor.</summary>
    /// <param name="precision">The precision; <see cref="Precision.Auto"/> counts as float32.</param>
    public static void Start(Precision precision)
    {
        if (precision == Precision.Auto)
            precision = Precision.Float32;
        if (!RuntimeFeature.IsDynamicCodeCompiled || Environment.ProcessorCount == 1
            || (Interlocked.Or(ref s_started, 1 << (int)precision) & (1 << (int)precision)) != 0)
            return;
        _ = StartAlone(() => Run(precision), TaskScheduler.Default);
    }

    /// <summary>Runs <paramref name="action"/> on a thread of its own, if the system has one. Nobody learns of its
    /// exception: the application neither ends, nor receives
    /// <see cref="TaskScheduler.UnobservedTaskException"/>.</summary>
    internal static Task StartAlone(Action action, TaskScheduler scheduler)
    {
        try
        {
            return Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, scheduler)
                .ContinueWith(static task => _ = task.Exception, scheduler);
        }
        catch (TaskSchedulerException)
        {
            // The limit of threads is reached. A model can be loaded and used without another one.
            return Task.CompletedTask;
        }
    }

    /// <summary>The strategy of a scope of the small model: each has another one.</summary>
    internal static ScopeStrategy StrategyOf(StrategyChoice choice) => ScopeStrategy.All[choice.Scopes[0]];

    /// <summary>Computes one image, and so compiles everything that an image needs.</summary>
    /// <param name="precision">Its precision.</param>
    /// <exception cref="NotSupportedException">The environment variable names an unsupported instruction set, or the
    /// CPU does not have the precision. Loading the model reports it.</exception>
    internal static void Run(Precision precision)
    {
        using ResamplerModel model = SmallModel.Create();
        using ModelEngine engine = CpuVariant.Choose().Create(model, new ResamplerOptions
        {
            ThreadCount = 2,
            Precision = precision,
        }, StrategyOf);
        float[] features = new float[SmallModel.Grid.PatchCount * SmallModel.Config.VisionHiddenSize];
        for (int index = 0; index < features.Length; index++)
            features[index] = index % 5;
        float[] tokens = new float[SmallModel.Config.QueryGrid.QueryCount * SmallModel.Config.OutputSize];
        engine.Resample(features, [SmallModel.Grid], tokens, CancellationToken.None);
    }
}
