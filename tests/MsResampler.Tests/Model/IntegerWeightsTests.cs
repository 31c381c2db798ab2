using MsResampler.Onnx;
using MsResampler.Reference;
using MsResampler.Safetensors;
using static MsResampler.Tests.Model.BoundWeights;

namespace MsResampler.Tests.Model;

/// <summary>Matrices that are stored as integers with one scale per row.</summary>
internal sealed class IntegerWeightsTests : TemporaryFolderFixture
{
    private const string Matrix = "kv_proj.weight";
    private const string Scale = "kv_proj.weight_scale";

    // 24 rows of 12 columns.
    private static readonly ResamplerConfig s_config = GatedConfig;

    [TestCase(TensorType.I8)]
    [TestCase(TensorType.I16)]
    public void A_weight_is_its_integer_times_the_scale_of_its_row(TensorType type)
    {
        Open(s_config, IntegerModels.With(s_config, Matrix, type, IntegerAt, ScaleAt), model =>
        {
            WeightTensor weight = model.Weights.KeyValueInput!;
            float[] middle = new float[29];
            weight.ReadStored(31, middle);
            float[] rows = new float[2 * 12];
            weight.ReadRows(7, rows);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(weight.Type, Is.EqualTo(type));
                Assert.That(weight.ToDouble(), Is.EqualTo(Values(0, 288, (integer, scale) => (double)integer * scale)));
                Assert.That(weight.ToSingle(), Is.EqualTo(Values(0, 288, (integer, scale) => integer * scale)));
                Assert.That(middle, Is.EqualTo(Values(31, 29, (integer, scale) => integer * scale)));
                Assert.That(rows, Is.EqualTo(Values(7 * 12, 24, (integer, scale) => integer * scale)));
                Assert.That(model.Warnings, Is.Empty);
            }

            return 0;
        });

        int IntegerAt(int index) => type == TensorType.I8 ? (index * 37 % 255) - 127 : (index * 377 % 26_755) - 13_377;

        T[] Values<T>(int first, int count, Func<int, float, T> product) => [.. Enumerable.Range(first, count)
            .Select(index => product(IntegerAt(index), ScaleAt(index / 12)))];
    }

    [Test]
    public void Rows_of_several_blocks_are_read()
    {
        // Three rows of 40,000 columns are two blocks of 65,536 elements.
        ResamplerConfig config = SingleConfig with { VisionHiddenSize = 40_000 };
        int IntegerAt(int index) => (index % 463) - 231;
        Open(config, IntegerModels.With(config, Matrix, TensorType.I16, IntegerAt, ScaleAt), model =>
        {
            float[] rows = new float[3 * 40_000];
            model.Weights.KeyValueInput!.ReadRows(20, rows);
            Assert.That(rows.AsSpan().SequenceEqual(Enumerable.Range(20 * 40_000, rows.Length)
                .Select(index => IntegerAt(index) * ScaleAt(index / 40_000)).ToArray()), Is.True);
            return 0;
        });
    }

    [Test]
    public void Integers_are_read_as_they_are_unless_their_type_is_wider()
    {
        foreach (TensorType type in new[] { TensorType.I8, TensorType.I16, TensorType.F32 })
        {
            List<TensorToWrite> tensors = type == TensorType.F32 ? Tensors(s_config)
                : IntegerModels.With(s_config, Matrix, type, index => (index % 251) - 125, ScaleAt);
            Open(s_config, tensors, model =>
            {
                short[] integers = new short[2 * 12];
                float[] scales = new float[2];
                WeightTensor weight = model.Weights.KeyValueInput!;
                bool isByte = weight.TryReadIntegers(IntegerType.Int8, 3, integers, scales);
                bool isShort = weight.TryReadIntegers(IntegerType.Int16, 3, integers, scales);
                using (Assert.EnterMultipleScope())
                {
                    Assert.That(isByte, Is.EqualTo(type == TensorType.I8));
                    Assert.That(isShort, Is.EqualTo(type != TensorType.F32));
                    if (isShort)
                    {
                        Assert.That(integers,
                            Is.EqualTo(Enumerable.Range(36, 24).Select(index => (index % 251) - 125)));
                        Assert.That(scales, Is.EqualTo(new[] { ScaleAt(3), ScaleAt(4) }));
                    }
                }

                return 0;
            });
        }
    }

    [Test]
    public void Every_consumer_reads_the_products()
    {
        // The same model with the products in F64, which holds them exactly.
        ResamplerConfig config = Configs.Mixed;
        using TestModel original = new(config);
        ModelWriter.WriteIntegers(Folder.File("integers"), original.Model, ModelLayers.Keys | ModelLayers.Gate);
        using ResamplerModel integers = ResamplerModel.Open(Folder.File("integers"));
        ModelWriter.Write(Folder.File("doubles"), integers, WeightType.Float64);
        using ResamplerModel doubles = ResamplerModel.Open(Folder.File("doubles"));
        PatchGrid grid = new(5, 4);
        float[] features = original.RandomFeatures(grid, seed: 3);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Tokens(integers), Is.EqualTo(Tokens(doubles)), "float32 on the processor");
            Assert.That(ReferenceResampler.Load(integers).Resample(features, grid),
                Is.EqualTo(ReferenceResampler.Load(doubles).Resample(features, grid)), "reference");
            Assert.That(Graph(integers), Is.EqualTo(Graph(doubles)), "ONNX");
            Assert.That(Tokens(integers), Is.Not.EqualTo(Tokens(original.Model)));
            Assert.That(Tokens(integers, Precision.Auto), Is.EqualTo(Tokens(integers, Precision.Int8)));
            Assert.That(Tokens(original.Model, Precision.Auto), Is.EqualTo(Tokens(original.Model)));
        }

        float[] Tokens(ResamplerModel model, Precision precision = Precision.Float32)
        {
            using Resampler resampler = Resampler.Load(model,
                new ResamplerOptions { ThreadCount = 1, Precision = precision });
            float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
            resampler.Resample(features, [grid], tokens);
            return tokens;
        }

        byte[] Graph(ResamplerModel model)
        {
            using MemoryStream stream = new();
            OnnxExporter.Write(model, grid, stream);
            return stream.ToArray();
        }
    }

    [TestCase(TensorType.I8, 127)]
    [TestCase(TensorType.I16, 13_377)] // 12 products of this square are below 2³¹, and not of the next one.
    public void Integers_have_a_range(TensorType type, int level)
    {
        foreach (int sign in new[] { -1, 1 })
        {
            Assert.That(() => OpenModel(Edited(sign * level)), Throws.Nothing);
            if (type == TensorType.I8 && sign == 1)
                continue;
            Assert.That(Problems(s_config, Edited(sign * (level + 1))).Single(), Is.EqualTo(
                $"tensor '{Matrix}': expected integers from -{level} to {level}" +
                (type == TensorType.I8 ? "" : ", so that sums of 12 products are below 2^31") +
                $", found {sign * (level + 1)} at [3, 2] (element 38) and 1 more of 288"));
        }

        Assert.That(Math.Pow(level, 2) * 12, Is.LessThan(int.MaxValue));

        List<TensorToWrite> Edited(int integer) => IntegerModels.With(s_config, Matrix, type,
            index => index is 38 or 287 ? integer : index % 3, ScaleAt);
    }

    [Test]
    public void Every_position_of_many_blocks_is_checked([Values(TensorType.I8, TensorType.I16)] TensorType type)
    {
        // Around the edges of rows and of blocks of 256 KiB, and outside full vectors.
        const int Columns = 21_847;
        ResamplerConfig config = SingleConfig with { VisionHiddenSize = Columns };
        int block = type == TensorType.I8 ? 1 << 18 : 1 << 17;
        foreach (int element in new[] { 0, 31, Columns - 1, Columns, block - 1, block, (24 * Columns) - 1 })
        {
            Assert.That(Problems(config, IntegerModels.With(config, Matrix, type,
                index => index == element ? -128 * (type == TensorType.I8 ? 1 : 256) : 1, ScaleAt)).Single(),
                Does.EndWith($"at [{element / Columns}, {element % Columns}] (element {element})"));
        }
    }

    [Test]
    public void A_product_beyond_float32_is_rejected()
    {
        Assert.That(Problems(s_config, IntegerModels.With(s_config, Matrix, TensorType.I8,
            index => index == 50 ? -101 : 1, row => row == 4 ? 3.4e36f : 1)), Is.EqualTo(new[]
        {
            $"tensor '{Matrix}': expected products with the scales within the range of float32, found -101 times " +
                "3.4E+36 at [4, 2] (element 50)",
        }));
        Assert.That(() => OpenModel(IntegerModels.With(s_config, Matrix, TensorType.I8,
            index => index == 50 ? -100 : 1, row => row == 4 ? 3.4e36f : 1)), Throws.Nothing);
    }

    [TestCase(float.NaN, "NaN")]
    [TestCase(float.PositiveInfinity, "infinity")]
    [TestCase(float.NegativeInfinity, "-infinity")]
    public void A_scale_is_finite(float scale, string found)
        => Assert.That(Problems(s_config, WithScale(scale))[0], Is.EqualTo($"tensor '{Scale}': expected " +
            (scale < 0 ? $"scales of at least 0, found {scale:R} at [5]"
                : $"finite numbers within the range of float32, found {found} at [5] (element 5)")));

    [Test]
    public void A_scale_is_not_negative() => Assert.That(Problems(s_config, WithScale(-0.5f)), Is.EqualTo(new[]
    {
        $"tensor '{Scale}': expected scales of at least 0, found -0.5 at [5]",
    }));

    [TestCase(0f)]
    [TestCase(-0f)]
    [TestCase(float.Epsilon)]
    public void A_scale_may_be_zero_or_subnormal(float scale)
        => Assert.That(() => OpenModel(WithScale(scale)), Throws.Nothing);

    [Test]
    public void Scales_have_the_shape_and_type_of_the_rows()
    {
        const string Expected = $"tensor '{Scale}': expected the scales of the rows of '{Matrix}', F32 [24]";
        List<TensorToWrite> tensors = IntegerModels.With(s_config, Matrix, TensorType.I8, _ => 1, ScaleAt);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Problems(s_config, [.. tensors.Where(tensor => tensor.Name != Scale)]),
                Is.EqualTo(new[] { Expected + ", as its type is I8; found no such tensor" }));
            foreach (TensorToWrite scales in new[]
            {
                Zeros(Scale, 23), Zeros(Scale, 24, 1), Zeros(Scale),
                new TensorToWrite(Scale, TensorType.F16, [24], new float[24]),
            })
            {
                Assert.That(Problems(s_config, Replace(tensors, scales)), Is.EqualTo(new[]
                {
                    $"{Expected}, found {scales.Type} [{string.Join(", ", scales.Shape)}]",
                }));
            }
        }
    }

    [Test]
    public void Scales_of_floats_are_rejected()
    {
        TensorToWrite scales = IntegerModels.Scales(Matrix, 24, ScaleAt);
        Assert.That(Problems(s_config, [.. Tensors(s_config), scales]), Is.EqualTo(new[]
        {
            $"tensor '{Scale}': expected no scales, as '{Matrix}' is not of type I8 or I16; found F32 [24] and " +
                "weights of type F32",
        }));
    }

    [Test]
    public void Only_matrices_of_layers_are_integers([Values(TensorType.I8, TensorType.I16)] TensorType type,
        [Values("gate.fc1.bias", "ln_q.weight", "query", "scopes.0.log_sigma", "pos_embed")] string name)
    {
        ResamplerConfig config = s_config with
        {
            PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.None),
        };
        List<TensorToWrite> tensors = Tensors(config, new() { LearnedSigmaScopes = [0] });
        IReadOnlyList<long> shape = tensors.Single(tensor => tensor.Name == name).Shape;
        Assert.That(Problems(config, Replace(tensors, IntegerModels.Integers(name, type, shape, _ => 1))),
            Is.EqualTo(new[] { $"tensor '{name}': expected type F32, F16, BF16 or F64, found {type}" }));
    }

    [Test]
    public void Stacked_projections_are_floats()
    {
        const string Name = "scopes.1.attn.in_proj_weight";
        List<TensorToWrite> tensors = Replace(Tensors(s_config, new() { StackInputProjections = true }),
            IntegerModels.Integers(Name, TensorType.I8, [72, 24], _ => 1));
        Assert.That(Problems(s_config, tensors), Is.EqualTo(new[]
        {
            $"tensor '{Name}': expected type F32, F16, BF16 or F64, found I8; only the separate q_proj, k_proj and " +
                "v_proj may be integers",
        }));
    }

    [Test]
    public void Other_types_are_rejected()
    {
        List<TensorToWrite> tensors = Replace(Tensors(s_config),
            TensorToWrite.FromBytes(Matrix, TensorType.U8, [24, 12], new byte[288]));
        Assert.That(Problems(s_config, tensors), Is.EqualTo(new[]
        {
            $"tensor '{Matrix}': expected type F32, F16, BF16, F64, I8 or I16, found U8",
        }));
    }

    [Test]
    public void Published_layouts_have_no_integers()
    {
        PublishedFamily family = PublishedFamily.Of("qwen-vl");
        List<TensorToWrite> tensors = [.. family.Tensors()];
        TensorToWrite projection = tensors.Single(tensor => tensor.Name.EndsWith("out_proj.weight",
            StringComparison.Ordinal));
        SafetensorsWriter.Write(Folder.File("model.safetensors"), [.. Replace(tensors,
            IntegerModels.Integers(projection.Name, TensorType.I8, projection.Shape, _ => 1))]);
        Assert.That(() => ResamplerModel.Open(Folder.File("model.safetensors")), Throws
            .TypeOf<InvalidModelException>().With.Message.Contains(
                $"tensor '{projection.Name}': expected type F32, F16, BF16 or F64, found I8"));
    }

    private static float ScaleAt(int row) => 0.01f / (row + 3);

    private static List<TensorToWrite> WithScale(float scale) => IntegerModels.With(s_config, Matrix, TensorType.I8,
        index => index % 128, row => row == 5 ? scale : 1);

    private static void OpenModel(List<TensorToWrite> tensors) => Open(s_config, tensors, _ => 0);
}
