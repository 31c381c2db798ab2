namespace MsResampler.Perf.Roofline;

/// <summary>A shape and a batch size, with an estimate of each launch on each device.</summary>
internal sealed class RooflineCase
{
    private readonly Dictionary<RooflineDevice, RooflineEstimate[]> _estimates;

    /// <param name="shape">The shape.</param>
    /// <param name="batch">Images in a call.</param>
    public RooflineCase(PeerShape shape, int batch)
    {
        (Shape, Batch) = (shape, batch);
        ResamplerConfig config = ConfigReader.Read(shape.ConfigJson(), shape.Name, new List<string>());
        // The tiles of products depend on the device, so each device has its own steps.
        var steps = RooflineDevice.All.ToDictionary(device => device, device => ForwardSteps.Describe(config,
            hasKeyValueInput: true, shape.Grid, batch, Precision.Float16, device.Properties));
        Names = [.. steps[RooflineDevice.All[0]].Select(step => step.Name)];
        _estimates = steps.ToDictionary(pair => pair.Key,
            pair => pair.Value.Select(step => RooflineEstimate.Of(step, pair.Key)).ToArray());
    }

    /// <summary>Every case of the report.</summary>
    public static IReadOnlyList<RooflineCase> All { get; } =
    [
        .. from shape in PeerShape.All
           from isShared in (bool[])[false, true]
           from batch in (int[])[1, 8, 64]
           select new RooflineCase(shape with { ShareKeyValues = isShared }, batch),
    ];

    /// <summary>The shape.</summary>
    public PeerShape Shape { get; }

    /// <summary>Images in a call.</summary>
    public int Batch { get; }

    /// <summary>The names of the launches, in order; the same on every device.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The case in the first columns of a table.</summary>
    public string Cells => $"| {Shape.Name} | {KeyValues} | {Batch} ";

    /// <summary>The title of the case.</summary>
    public string Title => $"{Shape.Name}, {KeyValues} keys and values, batch {Batch}";

    private string KeyValues => Shape.ShareKeyValues ? "shared" : "separate";

    /// <summary>The work of the launches, which is the same on every device.</summary>
    public IEnumerable<StepWork> Work => On(RooflineDevice.All[0]).Select(estimate => estimate.Work);

    /// <summary>The estimates of the launches on a device, in order.</summary>
    public IReadOnlyList<RooflineEstimate> On(RooflineDevice device) => _estimates[device];

    /// <summary>The time of the whole forward pass on a device, in seconds.</summary>
    public double SecondsOn(RooflineDevice device) => On(device).Sum(estimate => estimate.Seconds);
}
