using Iced.Intel;

namespace MsResampler.Tests.Cpu.Integer;

/// <summary>Reads the machine code back. What it does on Windows cannot be run on other systems, but every instruction
/// can be checked on all.</summary>
[TestFixtureSource(typeof(TileCode), nameof(TileCode.All))]
internal sealed class TileCodeTests(TileCode code)
{
    private int SumCount => 6 * code.VectorCount;

    [Test]
    public void Every_byte_belongs_to_an_instruction_up_to_the_return()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(code.Instructions.Select(instruction => instruction.Code), Has.None.EqualTo(Code.INVALID));
            Assert.That(code.Instructions[0].Mnemonic, Is.EqualTo(Mnemonic.Endbr64),
                "a target of indirect calls, with control-flow enforcement");
            Assert.That(code.Instructions[^1].Mnemonic, Is.EqualTo(Mnemonic.Ret));
            Assert.That(code.Instructions.Count(instruction => instruction.Mnemonic == Mnemonic.Ret), Is.EqualTo(1));
            Assert.That(code.Instructions.Sum(instruction => instruction.Length), Is.EqualTo(code.Bytes.Length));
        }
    }

    [Test]
    public void The_only_branch_is_the_loop()
    {
        Instruction[] branches = [.. code.Instructions.Where(instruction => instruction.FlowControl
            is not (FlowControl.Next or FlowControl.Return))];
        Assert.That(branches.Select(branch => branch.Mnemonic), Is.EqualTo(new[] { Mnemonic.Jne }));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(branches[0].NearBranchTarget % 64, Is.Zero, "the loop starts at a line");
            Assert.That(code.Instructions.Select(instruction => instruction.IP),
                Does.Contain(branches[0].NearBranchTarget));
        }
    }

    [Test]
    public void Products_are_those_that_wrap_around_in_all_512_bits()
    {
        Code expected = code.HasBytes ? Code.EVEX_Vpdpbusd_zmm_k1z_zmm_zmmm512b32
            : Code.EVEX_Vpdpwssd_zmm_k1z_zmm_zmmm512b32;
        Instruction[] products = [.. code.Instructions.Where(instruction => $"{instruction.Mnemonic}"
            .StartsWith("Vpdp", StringComparison.Ordinal))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(products.Select(product => product.Code), Is.All.EqualTo(expected));
            Assert.That(products.Select(product => product.OpMask), Is.All.EqualTo(Register.None));
            Assert.That(products.Select(product => product.Op0Register).Distinct().Count(), Is.EqualTo(SumCount));
            Assert.That(products, Has.Length.EqualTo(SumCount));
        }
    }

    /// <summary>The first source of <c>vpdpbusd</c> is unsigned and the second signed. Rows are read by broadcasts, the
    /// panel by full loads.</summary>
    [Test]
    public void Activations_are_the_first_source_and_weights_the_second()
    {
        Register[] Targets(Mnemonic mnemonic) => [.. code.Instructions
            .Where(instruction => instruction.Mnemonic == mnemonic && instruction.Op0Kind == OpKind.Register)
            .Select(instruction => instruction.Op0Register).Distinct()];
        Instruction[] products = [.. code.Instructions.Where(instruction => instruction.Mnemonic
            is Mnemonic.Vpdpbusd or Mnemonic.Vpdpwssd)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(products.Select(product => product.Op1Register).Distinct(),
                Is.EquivalentTo(Targets(Mnemonic.Vpbroadcastd)));
            Assert.That(products.Select(product => product.Op2Register).Distinct(),
                Is.EquivalentTo(Targets(Mnemonic.Vmovdqu32)));
        }
    }

    [Test]
    public void It_reads_rows_and_panel_and_writes_sums()
    {
        TileMemory memory = TileMemory.Follow(code);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(memory.Reads, Is.EquivalentTo(new[]
            {
                "row 0", "row 1", "row 2", "row 3", "row 4", "row 5",
            }.Concat(Enumerable.Range(0, code.VectorCount).Select(vector => $"panel {64 * vector}"))));
            Assert.That(memory.SumOffsets, Is.EqualTo(Enumerable.Range(0, SumCount).Select(index => 64L * index)));
            Assert.That(memory.IsStackBalanced, Is.True);
        }
    }

    [Test]
    public void It_restores_every_register_of_the_caller_that_it_writes()
    {
        InstructionInfoFactory factory = new();
        Register[] written = [.. code.Instructions
            .Where(instruction => instruction.Mnemonic != Mnemonic.Vzeroupper)
            .SelectMany(instruction => factory.GetInfo(instruction).GetUsedRegisters()
                .Where(used => used.Access is not (OpAccess.Read or OpAccess.CondRead))
                .Select(used => used.Register.GetFullRegister()).ToArray())
            .Distinct()];
        Assert.That(TileMemory.Follow(code).Restored,
            Is.EquivalentTo(written.Where(register => code.Preserved.Contains(register))));
    }

    /// <summary>Restored vectors have zeros above their lower 128 bits, like after <c>vzeroupper</c>.</summary>
    [Test]
    public void Upper_halves_of_vectors_are_zero_at_the_end()
    {
        int end = code.Instructions.Select((instruction, index) => (instruction, index))
            .Last(item => item.instruction.Mnemonic == Mnemonic.Vzeroupper).index;
        Assert.That(code.Instructions.Skip(end).Select(instruction => instruction.Code).Distinct(), code.IsWindows
            ? Is.EqualTo(new[]
            {
                Code.VEX_Vzeroupper, Code.VEX_Vmovups_xmm_xmmm128, Code.Add_rm64_imm8, Code.Pop_r64, Code.Retnq,
            })
            : Is.EqualTo(new[] { Code.VEX_Vzeroupper, Code.Retnq }));
    }
}
