using System.Globalization;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Tiles;
using MsResampler.Perf.Models;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Which tiles the products of models of the published sizes have.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class GemmChoiceTests
{
    private const int MultiprocessorCount = 132;

    private static readonly DeviceProperties s_hopper = new("H200", 90, MultiprocessorCount, 1L << 37, 227 << 10,
        IsHopper: true);

    /// <summary>The shape that leaves the fewest multiprocessors idle.</summary>
    private static readonly GemmShape s_smallest = GemmShape.Wgmma[^1];

    private static IEnumerable<PeerShape> Models => PeerShape.All.SelectMany(shape => (PeerShape[])
        [shape, shape with { ShareKeyValues = true }]);

    /// <summary>One image must not leave the device idle: at least nine of ten multiprocessors have a block, unless the
    /// product has too few tiles even of 64 × 32.</summary>
    [Test]
    public void One_image_occupies_the_device()
    {
        using (Assert.EnterMultipleScope())
        {
            foreach (PeerShape model in Models)
            {
                foreach ((string step, ProductExtent product) in ProductsOf(model, Precision.Float16, 1))
                {
                    GemmShape shape = GemmShape.For(product, sizeof(ushort), s_hopper);
                    int blocks = shape.LaunchFor(KernelOf(shape), product, s_hopper).GridX;
                    double share = Math.Min(blocks, MultiprocessorCount) / (double)MultiprocessorCount;
                    string line = string.Create(CultureInfo.InvariantCulture, $"{model.Key} {step} {product}: " +
                        $"{shape.Rows} × {shape.Columns}, {shape.CountTiles(product)} tiles, {blocks} blocks, " +
                        $"{share:0%} of the multiprocessors");
                    TestContext.Out.WriteLine(line);
                    if (s_smallest.CountTiles(product) >= 0.9 * MultiprocessorCount)
                        Assert.That(share, Is.GreaterThanOrEqualTo(0.9), line);
                }
            }
        }
    }

    /// <summary>Each tile is four more kernels to load for a model.</summary>
    [Test]
    public void Every_tile_of_wgmma_is_the_choice_for_a_published_size()
    {
        var chosen = new HashSet<GemmShape>();
        foreach (PeerShape model in Models)
        {
            (string, ProductExtent Product)[] products = [.. ProductsOf(model, Precision.Float16, 1)];
            for (int batch = 1; batch <= 64; batch++)
            {
                chosen.UnionWith(products.Select(product => GemmShape.For(
                    product.Product with { Rows = batch * product.Product.Rows }, sizeof(ushort), s_hopper)));
            }
        }

        Assert.That(GemmShape.Wgmma.Except(chosen).Select(shape => shape.Tile.Name), Is.Empty);
        Assert.That(GemmShape.Wgmma.Select(shape => (shape.Rows, shape.Columns)),
            Is.SupersetOf(new[] { (128, 128), (128, 256), (64, 256) }));
    }

    /// <summary>Many images take the tile that reads least for a product.</summary>
    [Test]
    public void Large_products_of_wgmma_have_the_largest_tile()
    {
        foreach (PeerShape model in Models)
        {
            foreach ((string step, ProductExtent product) in ProductsOf(model, Precision.Float16, 64))
            {
                Assert.That(GemmShape.For(product, sizeof(ushort), s_hopper), Is.SameAs(GemmShape.Wgmma[0]),
                    $"{model.Key} {step} {product}");
            }
        }
    }

    /// <summary>The choices from before costs of a tile were estimated, product by product: L is 128 × 128, M 128 × 64,
    /// S 64 × 64.</summary>
    [TestCase(80, 108, Precision.Float16, 1, "MSMSSMLMSSMLSSMMLSSMMLMSLMLMSL")]
    [TestCase(80, 108, Precision.Float16, 8, "LLLMLLLLMLLLMMLLLMMLLLLLLLLLLL")]
    [TestCase(80, 108, Precision.Float16, 64, "LLLLLLLLLLLLLMLLLLMLLLLLLLLLLL")]
    [TestCase(80, 108, Precision.TensorFloat32, 1, "MSSMSSMMMMSSMMMSSMMMMSSMMLLMSLMMMMSL")]
    [TestCase(80, 108, Precision.TensorFloat32, 8, "LLLLSLLLLLSLLLLMSLLLLMSLLLLLMLLLLLML")]
    [TestCase(80, 108, Precision.TensorFloat32, 64, "LLLLMLLLLLMLLLLLLLLLLLLLLLLLMLLLLLML")]
    [TestCase(86, 84, Precision.Float16, 1, "MLSSLMLSSLLLMSMLMMSMLMLSLLMLSL")]
    [TestCase(86, 84, Precision.Float16, 8, "MLLLMMLLLMLLLMLLLLMLLLLMMLMLMM")]
    [TestCase(86, 84, Precision.Float16, 64, "MLLMMMLLMMLLMLLLLMLLLLLMLLLLML")]
    [TestCase(86, 84, Precision.TensorFloat32, 1, "MMMSSLMMMSSLLLLMSMLLLMSMLMMLSLLLLLSL")]
    [TestCase(86, 84, Precision.TensorFloat32, 8, "MMMLSMMMMLSMLLLLSLLLLLSLLLLLMMLLLLMM")]
    [TestCase(86, 84, Precision.TensorFloat32, 64, "MLLLLMMMMLLMLLLMLLLLLMLLLLLLMLLLLLML")]
    [TestCase(89, 128, Precision.Float16, 1, "MLMSMMLMSMMLSSSMLSSSMLMSMMMMSM")]
    [TestCase(89, 128, Precision.Float16, 8, "MMLMMMMLMMMMMMMMMMMMLLLLLLLLLL")]
    [TestCase(89, 128, Precision.Float16, 64, "LLMMLLLMMLLLLLLLLLLLLLLLLLLLLL")]
    [TestCase(89, 128, Precision.TensorFloat32, 1, "MLLMSMMMMMSMMMMSSSMMMSSSMMMMSMMMMMSM")]
    [TestCase(89, 128, Precision.TensorFloat32, 8, "MLLLSMMMMLSMMLLMSMMMMMSMLLLLSLLLLLSL")]
    [TestCase(89, 128, Precision.TensorFloat32, 64, "LLLMMLLLLMMLLLLLLLLLLLLLLLLLLLLLLLLL")]
    [TestCase(90, 132, Precision.Float16, 1, "MLMSMMLMSMMLSSSMLSSSSLMSMSLMSM")]
    [TestCase(90, 132, Precision.Float16, 8, "LLLMLLLLMLLLSSSLLSSSLLLLLLLLLL")]
    [TestCase(90, 132, Precision.Float16, 64, "LLLLLLLLLLLLLLLLLLLLLLLLLLLLLL")]
    [TestCase(90, 132, Precision.TensorFloat32, 1, "MLLMSMMMMMSMMSSSSSMMMSSSSLLMSMSSSMSM")]
    [TestCase(90, 132, Precision.TensorFloat32, 8, "LLLLSLLLLLSLLLLSSSLLLSSSLLLLSLLLLLSL")]
    [TestCase(90, 132, Precision.TensorFloat32, 64, "LLLLSLLLLLSLLLLLLLLLLLLLLLLLLLLLLLLL")]
    [TestCase(120, 170, Precision.Float16, 1, "SMSSMSMSSMMLSSSMLSSSLMMSMLLMSM")]
    [TestCase(120, 170, Precision.Float16, 8, "LMMMLLMMMLMLLSLMLLSLLLMLMLLMLM")]
    [TestCase(120, 170, Precision.Float16, 64, "LLMLLLMMLLMLLMLMLLMLLLMLMLLMLM")]
    [TestCase(120, 170, Precision.TensorFloat32, 1, "SLLSSMSSSSSMMLLSSSMMMSSSLLLMSMLLLMSM")]
    [TestCase(120, 170, Precision.TensorFloat32, 8, "LMMMSLLLLMSLMMMLSLMMMLSLLMMMSMLLLMSM")]
    [TestCase(120, 170, Precision.TensorFloat32, 64, "LLLMLLLLLMLLMLLLMLMMMLMLLLLMLMLLLMLM")]
    [TestCase(86, 84, Precision.Float16, 9, "LMMLMLLMLMLLLMLLMLMLMLMMLMLMML", Description = "nearly equal costs")]
    [TestCase(89, 128, Precision.Float16, 19, "MLMMMMLMMMLLLLLLMLLLMLMLMMLMLM", Description = "nearly equal costs")]
    public void Choices_for_other_devices_are_those_by_slices_alone(int architecture, int multiprocessorCount,
        Precision precision, int batch, string expected)
    {
        var device = new DeviceProperties("device", architecture, multiprocessorCount, 1L << 34, 48 << 10);
        int elementBytes = precision == Precision.Float16 ? sizeof(ushort) : sizeof(float);

        string chosen = string.Concat(Models.SelectMany(model => ProductsOf(model, precision, batch))
            .Select(product => GemmShape.For(product.Extent, elementBytes, device))
            .Select(shape => shape == GemmShape.Small ? 'S' : shape == GemmShape.Medium ? 'M' : 'L'));

        Assert.That(chosen, Is.EqualTo(expected));
    }

    [Test]
    public void Tf32_on_Hopper_has_the_tiles_of_sm_90()
    {
        DeviceProperties other = s_hopper with { IsHopper = false };
        foreach (PeerShape model in Models)
        {
            foreach ((string step, ProductExtent product) in ProductsOf(model, Precision.TensorFloat32, 1))
            {
                Assert.That(GemmShape.For(product, sizeof(float), s_hopper),
                    Is.SameAs(GemmShape.For(product, sizeof(float), other)), $"{model.Key} {step}");
            }
        }
    }

    /// <summary>The products of a forward pass. Only their rows depend on the batch.</summary>
    private static IEnumerable<(string Step, ProductExtent Extent)> ProductsOf(PeerShape shape, Precision precision,
        int batch)
    {
        ResamplerConfig config = ConfigReader.Read(shape.ConfigJson(), shape.Name, new List<string>());
        foreach (ForwardStep step in ForwardSteps.Describe(config, hasKeyValueInput: true, shape.Grid, 1, precision,
            s_hopper))
        {
            if (step.CountWork().Product is { } product)
                yield return (step.Name, product with { Rows = batch * product.Rows });
        }
    }

    private static KernelVariant KernelOf(GemmShape shape)
        => shape.KernelFor<MmaFloat16, LinearEpilogue, GemmMmaFloat16>();
}
