using MsResampler.Model;
using MsResampler.Onnx;
using MsResampler.Onnx.Proto;
using MsResampler.Tests.Reference;
using NUnit.Framework;

namespace MsResampler.Tests.Onnx;

/// <summary>The exported file as such: what it declares, and what it refuses.</summary>
public class OnnxGraphTests
{
    private static readonly ResamplerConfig s_config = new()
    {
        VisionHiddenSize = 12,
        HiddenSize = 8,
        AttentionHeadCount = 2,
        QueryGrid = new QueryGrid(2, 3),
        OutputSize = 5,
        Scopes =
        [
            new ScopeConfig { Name = "local", Prior = ScopePrior.Window, Window = new AxisPair(2, 2) },
            new ScopeConfig { Name = "wide", Prior = ScopePrior.Window, Window = new AxisPair(99, 99) },
            new ScopeConfig { Name = "point", Prior = ScopePrior.Gaussian, Sigma = new AxisPair(1e-6, 1e-6) },
        ],
        ShareQueries = true,
        ShareKeyValues = false,
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, Keys: true, Queries: false),
        Gate = new GateConfig(4, GateGranularity.Token),
        LayerNormEpsilon = 1e-6,
        TorchDType = WeightType.Float32,
    };

    private static ModelProto Export(PatchGrid grid)
    {
        using TestModel model = new(s_config);
        using MemoryStream stream = new();
        OnnxExporter.Write(model.Model, grid, stream);
        return ModelProto.Parser.ParseFrom(stream.ToArray());
    }

    [Test]
    public void Only_standard_operators_are_used()
    {
        ModelProto model = Export(new PatchGrid(4, 5));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.OpsetImport.Select(set => (set.Domain, set.Version)),
                Is.EqualTo(new[] { ("", 17L) }));
            Assert.That(model.Graph.Node.Select(node => node.OpType).Distinct(), Is.SubsetOf(new[]
            {
                "Add", "Concat", "Div", "Erf", "LayerNormalization", "MatMul", "Mul", "ReduceSum", "Reshape",
                "Softmax", "Transpose",
            }));
        }
    }

    [Test]
    public void Input_and_output_have_a_free_batch_and_fixed_extents()
    {
        ModelProto model = Export(new PatchGrid(4, 5));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Extents(model.Graph.Input.Single()), Is.EqualTo("features [batch, 20, 12]"));
            Assert.That(Extents(model.Graph.Output.Single()), Is.EqualTo("tokens [batch, 6, 5]"));
        }

        static string Extents(ValueInfoProto value)
        {
            IEnumerable<string> extents = value.Type.TensorType.Shape.Dim.Select(dim =>
                dim.HasDimParam ? dim.DimParam : $"{dim.DimValue}");
            return $"{value.Name} [{string.Join(", ", extents)}]";
        }
    }

    [Test]
    public void A_scope_that_sees_everything_alike_needs_no_mask()
        => Assert.That(Export(new PatchGrid(4, 5)).Graph.Initializer.Select(tensor => tensor.Name)
            .Where(name => name.EndsWith(".prior", StringComparison.Ordinal)),
            Is.EqualTo(new[] { "scopes.0.prior", "scopes.2.prior" }));

    [Test]
    public void A_sigma_that_leaves_one_patch_stays_finite()
    {
        PatchGrid grid = new(4, 5);
        using TestModel model = new(s_config);
        float[] features = model.RandomFeatures(grid, seed: 1);
        using OnnxRun graph = OnnxRun.Of(model.Model, grid);
        Assert.That(Tolerances.RelativeError(graph.Tokens(features, 1, s_config.VisionHiddenSize),
            model.Reference.Resample(features, grid)), Is.LessThanOrEqualTo(Tolerances.SinglePrecision));
    }

    [Test]
    public void An_empty_grid_is_refused([Values] bool hasNoRows)
    {
        using TestModel model = new(s_config);
        PatchGrid grid = hasNoRows ? new PatchGrid(0, 3) : new PatchGrid(3, 0);
        Assert.That(() => OnnxExporter.Write(model.Model, grid, Stream.Null),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("grid"));
    }
}
