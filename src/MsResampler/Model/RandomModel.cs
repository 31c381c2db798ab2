namespace MsResampler.Model;

/// <summary>Writes models with random weights, for tests and experiments.</summary>
public static class RandomModel
{
    /// <summary>Writes <c>config.json</c> and <c>model.safetensors</c>. The same configuration, seed and options
    /// give the same bytes on every machine. At any time, also after the process was killed, the folder contains the
    /// previous model, the new model, or weights without a <c>config.json</c>. If several processes write to one
    /// folder, the last one wins.</summary>
    /// <param name="folder">The folder; created if it does not exist.</param>
    /// <param name="config">The configuration that <paramref name="configJson"/> parses to.</param>
    /// <param name="configJson">The bytes of config.json, written unchanged.</param>
    /// <param name="seed">The seed of the weights.</param>
    /// <param name="options">The layout of the checkpoint; null for F32 and one tensor per weight.</param>
    /// <param name="cancellationToken">Cancels the call; no partial file remains.</param>
    /// <exception cref="ArgumentException"><paramref name="options"/> contradicts the configuration.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Access to the folder or a file is denied.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    public static void Write(string folder, ResamplerConfig config, ReadOnlySpan<byte> configJson, ulong seed,
        RandomModelOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(config);
        options ??= new();
        IReadOnlyList<RandomTensor> tensors = CreateTensors(config, seed, options);
        ModelFolder.Write(folder, configJson, tensors.Select(tensor => tensor.ToWrite(options.Type)),
            cancellationToken);
    }

    internal static IReadOnlyList<RandomTensor> CreateTensors(ResamplerConfig config, ulong seed,
        RandomModelOptions options)
    {
        int width = config.HiddenSize;
        int scopeCount = config.Scopes.Count;
        int queryCount = config.QueryGrid.QueryCount;
        if (options.UsePublishedNames && scopeCount != 1)
            throw new ArgumentException($"published names: expected one scope, found {scopeCount}",
                nameof(options));

        Generator weights = new(seed, options);
        if (!options.OmitKeyValueInput)
            weights.AddMatrix("kv_proj.weight", width, config.VisionHiddenSize);
        else if (config.VisionHiddenSize != width)
            throw new ArgumentException($"no kv_proj: expected vision_hidden_size " +
                $"({config.VisionHiddenSize}) to equal hidden_size ({width})", nameof(options));
        weights.AddNorm("ln_kv", width);
        weights.AddNorm("ln_q", width);
        weights.AddNorm("ln_post", width);
        if (config.PositionEmbedding.IsStored)
            weights.AddQueries("pos_embed", queryCount, width);
        if (config.ShareQueries)
            weights.AddQueries("query", queryCount, width);
        for (int scope = 0; scope < scopeCount; scope++)
        {
            if (!config.ShareQueries)
                weights.AddQueries($"scopes.{scope}.query", queryCount, width);
            bool hasKeyValues = scope == 0 || !config.ShareKeyValues;
            weights.AddAttention($"scopes.{scope}.attn", width, hasKeyValues);
        }
        foreach (int scope in options.LearnedSigmaScopes)
        {
            ScopeConfig scopeConfig = config.Scopes[scope];
            if (scopeConfig.Prior != ScopePrior.Gaussian)
                throw new ArgumentException($"scope {scope} with a learned sigma: expected the prior " +
                    $"{ScopePrior.Gaussian}, found {scopeConfig.Prior}", nameof(options));
            weights.AddLogSigma($"scopes.{scope}.log_sigma", config.AttentionHeadCount, scopeConfig.Units);
        }
        if (config.Gate is { } gate)
        {
            weights.AddLinear("gate.fc1", gate.HiddenSize, scopeCount * width);
            weights.AddLinear("gate.fc2", scopeCount * config.GateGroupCount, gate.HiddenSize);
        }
        weights.AddProjection(config.OutputSize, width);
        return weights.Tensors;
    }

    private sealed class Generator(ulong seed, RandomModelOptions options)
    {
        // Biases are smaller than weights, as in trained models, but large enough that tests notice a missing bias.
        private const double BiasDeviation = 0.1;
        private const double NormWeightDeviation = 0.1;

        private readonly List<RandomTensor> _tensors = [];

        public IReadOnlyList<RandomTensor> Tensors => _tensors;

        public void AddMatrix(string name, int outputSize, int inputSize)
            => Add(name, [outputSize, inputSize], Matrix(name, inputSize));

        public void AddLinear(string name, int outputSize, int inputSize)
        {
            AddMatrix($"{name}.weight", outputSize, inputSize);
            AddBias($"{name}.bias", outputSize);
        }

        public void AddNorm(string name, int width)
        {
            Add($"{name}.weight", [width], Values($"{name}.weight", NormWeightDeviation, mean: 1));
            AddBias($"{name}.bias", width);
        }

        public void AddProjection(int outputSize, int width)
        {
            Func<long, float> weight = Matrix("proj.weight", width);
            if (options.UsePublishedNames)
                Add("proj", [width, outputSize],
                    index => weight((index % outputSize * width) + (index / outputSize)));
            else
                Add("proj.weight", [outputSize, width], weight);
            if (options.HasProjectionBias)
                AddBias("proj.bias", outputSize);
        }

        public void AddQueries(string name, int queryCount, int width)
            => Add(name, [queryCount, width], Values(name, deviation: 1));

        public void AddAttention(string name, int width, bool hasKeyValues)
        {
            string[] parts = hasKeyValues ? ["q_proj", "k_proj", "v_proj"] : ["q_proj"];
            if (options.StackInputProjections && hasKeyValues)
            {
                Add($"{name}.in_proj_weight", [3L * width, width], Stack((long)width * width,
                    [.. parts.Select(part => Matrix($"{name}.{part}.weight", width))]));
                Add($"{name}.in_proj_bias", [3L * width], Stack(width,
                    [.. parts.Select(part => Values($"{name}.{part}.bias", BiasDeviation))]));
            }
            else
            {
                foreach (string part in parts)
                    AddLinear($"{name}.{part}", width, width);
            }
            AddLinear($"{name}.out_proj", width, width);
        }

        // The median sigma is e¹ = 2.7 patches, or e^−1.4, a quarter of the grid.
        public void AddLogSigma(string name, int headCount, ScopeUnits units) => Add(name, [headCount, 2],
            Values(name, deviation: 0.4, mean: units == ScopeUnits.Fraction ? -1.4 : 1));

        private void AddBias(string name, int size) => Add(name, [size], Values(name, BiasDeviation));

        private void Add(string name, long[] shape, Func<long, float> valueAt)
        {
            string storedName = options.UsePublishedNames
                ? name.Replace("scopes.0.attn.", "attn.", StringComparison.Ordinal) : name;
            _tensors.Add(new RandomTensor(options.Prefix + storedName, shape, valueAt));
        }

        private static Func<long, float> Stack(long partSize, Func<long, float>[] parts)
            => index => parts[index / partSize](index % partSize);

        private Func<long, float> Matrix(string name, int inputSize)
            => Values(name, 1 / Math.Sqrt(inputSize));

        // The sum of four uniform 16-bit integers approximates a normal distribution. Unlike logarithms and cosines,
        // it is exact on every machine. Its standard deviation is 65536/√3 (to 1 part in 10⁹).
        private Func<long, float> Values(string name, double deviation, double mean = 0)
        {
            const double Centre = 4 * 65535 / 2.0;
            double scale = deviation * Math.Sqrt(3) / 65536;
            ulong start = SplitMix64(seed, 0) ^ Hash(name);
            return index =>
            {
                ulong bits = SplitMix64(start, index);
                ulong sum = (ushort)bits + (ulong)(ushort)(bits >> 16) + (ushort)(bits >> 32) + (bits >> 48);
                return (float)(mean + ((sum - Centre) * scale));
            };
        }

        // Element `index` of the sequence with seed `start` (Steele, Lea and Flood, Fast splittable pseudorandom
        // number generators, 2014).
        private static ulong SplitMix64(ulong start, long index)
        {
            ulong mixed = start + (((ulong)index + 1) * 0x9E3779B97F4A7C15);
            mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
            return mixed ^ (mixed >> 31);
        }

        // FNV-1a.
        private static ulong Hash(string name)
        {
            ulong hash = 0xCBF29CE484222325;
            foreach (char character in name)
                hash = (hash ^ character) * 0x100000001B3;
            return hash;
        }
    }
}
