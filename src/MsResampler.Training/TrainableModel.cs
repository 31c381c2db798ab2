using MsResampler.Model;

namespace MsResampler.Training;

/// <summary>A model whose weights can change: every parameter in single precision, with its gradient.</summary>
/// <remarks>Not thread-safe.</remarks>
public sealed class TrainableModel
{
    private readonly Dictionary<string, TrainableTensor> _byName;

    private TrainableModel(ResamplerConfig config, IReadOnlyList<TrainableTensor> tensors)
    {
        Config = config;
        Tensors = tensors;
        _byName = tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    /// <summary>The configuration.</summary>
    public ResamplerConfig Config { get; }

    /// <summary>The parameters, in the order in which a checkpoint of this project stores them.</summary>
    public IReadOnlyList<TrainableTensor> Tensors { get; }

    /// <summary>The parameter of a name.</summary>
    /// <exception cref="KeyNotFoundException">The model has no such parameter.</exception>
    public TrainableTensor this[string name] => _byName.TryGetValue(name, out TrainableTensor? tensor) ? tensor
        : throw new KeyNotFoundException($"'{name}': expected the name of a parameter, such as " +
            $"'{Tensors[0].Name}', found none of that name");

    /// <summary>Opens a model of any layout that <see cref="ResamplerModel.Open(string, CheckpointLayout?,
    /// CancellationToken)"/> reads, and copies its weights.</summary>
    /// <inheritdoc cref="ResamplerModel.Open(string, CheckpointLayout?, CancellationToken)"/>
    public static TrainableModel Load(string path, CheckpointLayout? layout = null,
        CancellationToken cancellationToken = default)
    {
        using ResamplerModel model = ResamplerModel.Open(path, layout, cancellationToken);
        return From(model);
    }

    /// <summary>Copies the weights of an open model, rounded to single precision.</summary>
    /// <param name="model">The model.</param>
    public static TrainableModel From(ResamplerModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new TrainableModel(model.Config, [.. model.Weights.Named(model.Config).Select(weight
            => new TrainableTensor(weight.Name,
                weight.IsVector ? [weight.Weight.Count] : [weight.Weight.Rows, weight.Weight.Columns],
                weight.Weight.ToSingle()))]);
    }

    /// <summary>A new model for training: random matrices and queries, biases of zero, layer norms of one, and a gate
    /// that gives every scope the same weight for every input.</summary>
    /// <remarks>Matrices have the variance 1/fan-in. The last layer of the gate is zero; its gradient is not, because
    /// its first layer is random.</remarks>
    /// <param name="config">The configuration.</param>
    /// <param name="seed">The seed; the same seed gives the same values on every machine.</param>
    /// <param name="learnSigmas">Whether the sigmas of Gaussian scopes become parameters: <c>log_sigma</c> [A, 2],
    /// which starts with the configured sigma in every head.</param>
    public static TrainableModel Create(ResamplerConfig config, ulong seed, bool learnSigmas = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        TrainableModel model = new(config, [.. RandomModel.CreateTensors(config, seed, new()).Select(tensor
            => new TrainableTensor(tensor.Name, [.. tensor.Shape.Select(extent => (int)extent)], tensor.ToArray()))]);
        foreach (TrainableTensor tensor in model.Tensors)
        {
            if (tensor.Name.EndsWith(".bias", StringComparison.Ordinal)
                || tensor.Name.StartsWith("gate.fc2.", StringComparison.Ordinal))
                tensor.Values.Clear();
            else if (tensor.Name.StartsWith("ln_", StringComparison.Ordinal))
                tensor.Values.Fill(1);
        }

        return learnSigmas ? model.WithLearnedSigmas() : model;
    }

    /// <summary>The same model with the sigmas of its Gaussian scopes as parameters. Those that are not parameters yet
    /// start with the configured sigma in every head.</summary>
    public TrainableModel WithLearnedSigmas()
    {
        List<TrainableTensor> tensors = [.. Tensors];
        foreach (int scope in GaussianScopes(Config))
        {
            if (_byName.ContainsKey(SigmaName(scope)))
                continue;
            AxisPair sigma = Config.Scopes[scope].Sigma!.Value;
            float[] pair = [(float)Math.Log(sigma.Rows), (float)Math.Log(sigma.Columns)];
            int last = tensors.FindLastIndex(tensor
                => tensor.Name.StartsWith($"scopes.{scope}.", StringComparison.Ordinal));
            tensors.Insert(last + 1, new TrainableTensor(SigmaName(scope), [Config.AttentionHeadCount, 2],
                [.. Enumerable.Repeat(pair, Config.AttentionHeadCount).SelectMany(head => head)]));
        }

        return new TrainableModel(Config, tensors);
    }

    /// <summary>Sets all gradients to zero.</summary>
    public void ClearGradients()
    {
        foreach (TrainableTensor tensor in Tensors)
            tensor.Gradient.Clear();
    }

    /// <summary>A view of the parameters as a model, for inference with <see cref="Resampler"/> or for export. Weights
    /// are read when they are used, in their state at that time.</summary>
    /// <exception cref="InvalidModelException">A value is NaN or infinite.</exception>
    public ResamplerModel ToModel() => ResamplerModel.FromTensors(Config, new TensorMemory(Tensors));

    /// <summary>Writes <c>config.json</c> and <c>model.safetensors</c>. At any time, also after the process was killed,
    /// the folder contains the previous model, the new model, or weights without a <c>config.json</c>.</summary>
    /// <param name="folder">The folder; created if it does not exist.</param>
    /// <param name="type">The element type of every tensor.</param>
    /// <param name="cancellationToken">Cancels the call; no partial file remains.</param>
    /// <inheritdoc cref="ModelWriter.Write(string, ResamplerModel, WeightType?, CancellationToken)" path="/exception"/>
    public void Save(string folder, WeightType type = WeightType.Float32,
        CancellationToken cancellationToken = default)
    {
        using ResamplerModel model = ToModel();
        ModelWriter.Write(folder, model, type, cancellationToken);
    }

    internal static string SigmaName(int scope) => $"scopes.{scope}.log_sigma";

    /// <summary>The parameter of a name, or null.</summary>
    internal TrainableTensor? Find(string name) => _byName.GetValueOrDefault(name);

    private static IEnumerable<int> GaussianScopes(ResamplerConfig config)
        => Enumerable.Range(0, config.Scopes.Count)
            .Where(scope => config.Scopes[scope].Prior == ScopePrior.Gaussian);
}
