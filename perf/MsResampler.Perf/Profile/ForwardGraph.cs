namespace MsResampler.Perf.Profile;

/// <summary>The dependencies of the tasks of a forward pass, without barriers between phases and between stacks of
/// images. Attention of a scope needs the keys and values of all heads of its image, not only those of its head; the
/// other dependencies are by rows.</summary>
/// <param name="config">The model.</param>
/// <param name="plan">The plan and the tasks of attention of an image.</param>
/// <param name="panelWidth">Columns of a panel of weights.</param>
internal sealed class ForwardGraph(ResamplerConfig config, GridPlan plan, int panelWidth)
{
    /// <summary>Rows of a task of the layer norm, and of the gate.</summary>
    private const int NormRows = 16;
    private const int GateRows = 4;

    /// <summary>Chunks of rows of a matrix product are multiples of this number.</summary>
    private const int ChunkMultiple = 24;

    private readonly TaskGraph _graph = new();

    /// <summary>A task that computes rows of a product or of a scope.</summary>
    private readonly record struct Producer(int First, int End, int Product, int Task);

    private int PatchCount => (int)plan.Plan.Grid.PatchCount;

    private int QueryCount => config.QueryGrid.QueryCount;

    /// <summary>The graph of a call.</summary>
    /// <param name="phases">The phases of a call.</param>
    public TaskGraph Build(IReadOnlyList<PhaseTasks> phases)
    {
        int[] start = [];
        foreach (IGrouping<int, PhaseTasks> work in phases.GroupBy(phase => phase.Work))
        {
            Dictionary<string, double[]> stages = work.ToDictionary(phase => phase.Stage, phase => phase.TaskMs);
            if (stages.TryGetValue("FeatureCheck", out double[]? checks))
                start = [_graph.Add(0, checks.Select(time => _graph.Add(time, [])).ToArray())];
            else
                AddStack(stages, start);
        }

        return _graph;
    }

    private void AddStack(Dictionary<string, double[]> stages, int[] start)
    {
        int imageCount = Tasks(stages, "Attention").Length / plan.Tasks.Length;
        int rows = imageCount * PatchCount;
        int queryRows = imageCount * QueryCount;
        List<Producer> input = Products(Tasks(stages, "Input"), rows, Panels(config.HiddenSize), 1, _ => start);
        List<Producer> norm = Rows(Tasks(stages, "Norm"), rows, NormRows, input);
        int[] owners = Owners();
        List<Producer> projections = Products(Tasks(stages, "KeysAndValues"), rows, Panels(config.HiddenSize),
            owners.Length, producer => Overlapping(norm, producer));
        List<Producer> attention = Attention(stages, imageCount, norm, projections, owners);
        List<Producer> outputs = Products(Tasks(stages, "Outputs"), queryRows, Panels(config.HiddenSize),
            config.Scopes.Count,
            producer => Overlapping(attention.Where(other => other.Product == producer.Product), producer));
        int gatePanels = Panels(config.Gate?.HiddenSize ?? 0);
        List<Producer> hidden = Products(Tasks(stages, "GateHidden"), queryRows, gatePanels, 1,
            producer => Overlapping(outputs, producer));
        List<Producer> gate = Rows(Tasks(stages, "Gate"), queryRows, GateRows, hidden.Count > 0 ? hidden : outputs);
        Products(Tasks(stages, "Tokens"), queryRows, Panels(config.OutputSize), 1,
            producer => Overlapping(gate, producer));
    }

    private static double[] Tasks(Dictionary<string, double[]> stages, string stage)
        => stages.GetValueOrDefault(stage, []);

    private int Panels(int columns) => (columns + panelWidth - 1) / panelWidth;

    /// <summary>The scope of each product of the phase of keys and values.</summary>
    private int[] Owners()
    {
        List<int> owners = [];
        for (int scope = 0; scope < (config.ShareKeyValues ? 1 : config.Scopes.Count); scope++)
        {
            if (plan.Plan.Scopes[scope].Keys == ProjectionStrategy.Projected)
                owners.Add(scope);
            if (plan.Plan.Scopes[scope].Values == ProjectionStrategy.Projected)
                owners.Add(scope);
        }

        return [.. owners];
    }

    /// <summary>The attention of each image and scope, as one task of 0 ms that collects it.</summary>
    private List<Producer> Attention(Dictionary<string, double[]> stages, int imageCount, List<Producer> norm,
        List<Producer> projections, int[] owners)
    {
        double[] times = Tasks(stages, "Attention");
        double[] sums = Tasks(stages, "Sums");
        List<int> absorbed = [.. Enumerable.Range(0, config.Scopes.Count).Where(scope
            => plan.Plan.Scopes[scope].Values == ProjectionStrategy.Absorbed)];
        int sumCount = sums.Length / Math.Max(1, imageCount * absorbed.Count);
        List<Producer> result = [];
        for (int image = 0; image < imageCount; image++)
        {
            Producer patches = new(image * PatchCount, (image + 1) * PatchCount, 0, 0);
            int ready = _graph.Add(0, Overlapping(norm, patches));
            for (int scope = 0; scope < config.Scopes.Count; scope++)
            {
                int owner = config.ShareKeyValues ? 0 : scope;
                int[] needed = [ready, .. Overlapping(
                    projections.Where(producer => owners[producer.Product] == owner), patches)];
                int start = _graph.Add(0, needed);
                int first = image * plan.Tasks.Length;
                int done = _graph.Add(0, Indices(plan.Tasks.Length, task => plan.Tasks[task].Scope == scope)
                    .Select(task => _graph.Add(times[first + task], [start])).ToArray());
                int sum = absorbed.IndexOf(scope);
                int[] after = sum < 0 ? [] : [.. sums.Skip(((image * absorbed.Count) + sum) * sumCount).Take(sumCount)
                    .Select(time => _graph.Add(time, [done]))];
                result.Add(new Producer(image * QueryCount, (image + 1) * QueryCount, scope,
                    after.Length == 0 ? done : _graph.Add(0, after)));
            }
        }

        return result;
    }

    private static IEnumerable<int> Indices(int count, Func<int, bool> condition)
        => Enumerable.Range(0, count).Where(condition);

    /// <summary>The tasks of matrix products, panel by panel, each panel in chunks of rows.</summary>
    private List<Producer> Products(double[] times, int rows, int panels, int productCount,
        Func<Producer, IEnumerable<int>> preceding)
    {
        List<Producer> result = [];
        if (times.Length == 0)
            return result;
        int chunks = times.Length / (panels * productCount);
        for (int task = 0; task < times.Length; task++)
        {
            int size = (((rows + chunks - 1) / chunks) + ChunkMultiple - 1) / ChunkMultiple * ChunkMultiple;
            int first = task % chunks * size;
            Producer producer = new(first, Math.Min(rows, first + size), task / chunks / panels, 0);
            result.Add(producer with { Task = _graph.Add(times[task], preceding(producer)) });
        }

        return result;
    }

    private List<Producer> Rows(double[] times, int rows, int rowsPerTask, List<Producer> needed)
    {
        List<Producer> result = [];
        for (int task = 0; task < times.Length; task++)
        {
            Producer producer = new(task * rowsPerTask, Math.Min(rows, (task + 1) * rowsPerTask), 0, 0);
            result.Add(producer with { Task = _graph.Add(times[task], Overlapping(needed, producer)) });
        }

        return result;
    }

    private static IEnumerable<int> Overlapping(IEnumerable<Producer> producers, Producer rows)
        => producers.Where(producer => producer.First < rows.End && rows.First < producer.End)
            .Select(producer => producer.Task);
}
